/*
 * drivers.c - the drivers of this build.
 */
#include "driver.h"

const struct driver *const drivers[] = {
        &driver_sim,
#ifdef HAVE_X86
        &driver_x86_64,
#endif
#ifdef HAVE_LINUX
        &driver_linux,
#endif
        NULL,
};
