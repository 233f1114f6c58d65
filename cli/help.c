/*
 * help.c - what `quire --help' and its like print.  The man page (quire.1) says
 * the same at length.
 */
#include "cli.h"

const char quire_help_main[] =
"usage: quire run [options] -- PROGRAM ARGS...\n"
"       quire probe [--json]\n"
"       quire help [run|probe]\n"
"       quire --version\n"
"\n"
"Quire is a virtual memory manager as a library.  This command runs a program,\n"
"as it is, in less physical memory than it needs, with the rest in Quire's own\n"
"pagefile.\n"
"\n"
"  run      run a program in a fraction of its memory\n"
"  probe    say what this machine offers, and what would help\n"
"  help     explain a command\n"
"\n"
"Try:\n"
"  quire run --memory 64M --report text -- python3 -c 'x = list(range(10**7))'\n"
"\n"
"See quire(1) for all of it.\n";

const char quire_help_run[] =
"usage: quire run [options] -- PROGRAM ARGS...\n"
"\n"
"Run PROGRAM with at most SIZE of its heap and private memory resident.  What\n"
"does not fit is compressed, or lies in a pagefile.  Its input, output, signals\n"
"and exit status are as without Quire.\n"
"\n"
"  -m, --memory SIZE        most memory resident, of each process; by default\n"
"                           half of the machine's\n"
"  --pagefile FILE|DIR      where the rest goes: a new file, or a directory for\n"
"                           one without a name; by default $TMPDIR or /tmp\n"
"  --pagefile-size SIZE     most that the pagefile grows to; the program then\n"
"                           gets no more than --memory and this together\n"
"  --policy NAME            which pages leave first: 2q (default), clock, lru\n"
"  --faults HOW             where faults are resolved: inline (in the faulting\n"
"                           thread), thread, or auto (default)\n"
"  --report text|json       when it is over, report on standard error; with\n"
"           [=FILE]         =FILE to a file; may be given once for each form\n"
"  --heatmap FILE           draw where in memory pages were asked for, and when;\n"
"                           FILE ends in .png or .svg\n"
"  --trace FILE             write the last 524,288 paging events: for a trace\n"
"                           viewer if FILE ends in .json, otherwise as CSV\n"
"  -h, --help               this text\n"
"\n"
"A SIZE is a number of bytes, or has a unit: 64M, 64MiB, 1.5G (powers of 1024),\n"
"64MB (of 1000).\n"
"\n"
"Exit status: that of PROGRAM, or its signal; 2 if the request makes no sense,\n"
"125 if Quire itself fails, 126 if PROGRAM can not be executed, 127 if it is not\n"
"found.\n"
"\n"
"Examples:\n"
"  quire run -m 64M -- sort -S 300M --parallel=2 words.txt > sorted.txt\n"
"  quire run -m 1G --pagefile /scratch --report text -- python3 train.py\n"
"  quire run -m 256M --report json=run.json --heatmap run.png -- redis-server\n";

const char quire_help_probe[] =
"usage: quire probe [--json]\n"
"\n"
"List the abilities of this kernel that Quire can use, for the present user:\n"
"whether each is there, what Quire does with it or without it, and how to get it.\n"
"\n"
"  --json       the same for programs\n"
"  -h, --help   this text\n";
