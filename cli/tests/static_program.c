/*
 * static_program.c - a program that is linked statically, for command_test.py.
 */
int main(void)
{
        return 0;
}
