/*
 * grant_parts.h - the parts of the one program of grant_test.c.
 */
#ifndef QUIRE_LINUX_GRANT_PARTS_H
#define QUIRE_LINUX_GRANT_PARTS_H

void names_begin(void);          /* a directory for names of our own */
void names_end(void);            /* nothing is left in it */
void name_tests(void);

int hostile_main(void);          /* the program that receives and attacks */
int take_raw(int socket, int *fds, unsigned room);       /* a grant without Quire: descriptors */
void attack_tests(void);
void hostile_begin(void);        /* before all other tests */
void hostile_tests(void);

#endif
