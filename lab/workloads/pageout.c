/* pageout FILE: the pages of FILE into anonymous memory, then to swap one by one, in order. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

int main(int count, char **words) {
    struct stat status;
    int file = count == 2 ? open(words[1], O_RDONLY) : -1;
    if (file < 0 || fstat(file, &status)) return perror("pageout FILE"), 2;
    const size_t size = status.st_size / 4096 * 4096;
    char *memory = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return perror("pageout"), 1;
    madvise(memory, size, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < size;) {
        const ssize_t got = read(file, memory + at, size - at);
        if (got <= 0) return perror("pageout"), 1;
        at += got;
    }
    for (size_t at = 0; at < size; at += 4096)
        if (madvise(memory + at, 4096, MADV_PAGEOUT)) return perror("pageout"), 1;
    printf("%zu pages\n", size / 4096);
    return 0;
}
