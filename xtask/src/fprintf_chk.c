// glibc's fprintf with checks, which musl lacks, for code that was compiled for glibc.

#include <stdarg.h>
#include <stdio.h>

int __fprintf_chk(FILE *stream, int checks, const char *format, ...)
{
    va_list arguments;
    (void)checks;
    va_start(arguments, format);
    int written = vfprintf(stream, format, arguments);
    va_end(arguments);
    return written;
}
