/* The type `Camera` of format.rs, written in C after docs/FORMAT.md: reads a value from standard
 * input, prints what it finds, and writes the value back with some of it changed. */

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

struct point {
    float x, y;
};

struct camera {
    _Alignas(64) int64_t frames;
    struct point corners[2][2];
    int8_t mode;
    uint8_t size;
    uint8_t pad[2];
    uint32_t wide;
    struct {
        uint32_t len;
        char bytes[12];
    } name;
    struct {
        uint32_t len, zero;
        _Alignas(8) uint64_t items[3];
    } peers;
    struct {
        uint32_t head, len;
        uint16_t items[4];
    } history;
    struct {
        uint32_t len, zero;
        struct point items[1];
    } last;
};

_Static_assert(sizeof(struct camera) == 128, "the size");
_Static_assert(_Alignof(struct camera) == 64, "the alignment");
_Static_assert(offsetof(struct camera, name) == 48, "the name");
_Static_assert(offsetof(struct camera, peers) == 64, "the peers");
_Static_assert(offsetof(struct camera, history) == 96, "the history");
_Static_assert(offsetof(struct camera, last) == 112, "the last point");

static uint64_t layout_hash(const char *text) {
    uint64_t hash = 0xCBF29CE484222325;
    for (; *text != 0; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001B3;
    return hash;
}

int main(int argc, char **argv) {
    struct camera camera;
    if (argc != 2 || fread(&camera, sizeof camera, 1, stdin) != 1)
        return 1;
    fprintf(stderr, "hash %016" PRIx64 "\n", layout_hash(argv[1]));
    fprintf(stderr, "frames %" PRId64 ", corner %g, mode %d, size %d, wide %" PRIu32 "\n",
            camera.frames, camera.corners[1][0].y, camera.mode, camera.size, camera.wide);
    fprintf(stderr, "name %.*s\n", (int)camera.name.len, camera.name.bytes);
    for (uint32_t i = 0; i < camera.peers.len; i++)
        fprintf(stderr, "peer %" PRIu64 "\n", camera.peers.items[i]);
    for (uint32_t i = 0; i < camera.history.len; i++)
        fprintf(stderr, "history %d\n", camera.history.items[(camera.history.head + i) % 4]);
    fprintf(stderr, "last %g\n", camera.last.items[camera.last.len - 1].y);

    camera.frames += 1;
    camera.peers.items[camera.peers.len++] = UINT64_MAX;
    camera.name.len = (uint32_t)sprintf(camera.name.bytes, "by C");
    return fwrite(&camera, sizeof camera, 1, stdout) == 1 ? 0 : 1;
}
