/* Memory that is handed out piece by piece from one block. */
#ifndef NCS_ROOM_H
#define NCS_ROOM_H

#include <stddef.h>
#include <stdint.h>

#define NCS_ROOM_LINE 64 /* bytes, to which every piece is aligned */

/* Without a block it only counts how many bytes are wanted. Vectors that lie across two
 * lines of the cache take twice as long, so a block begins with one. */
typedef struct {
    char *block; /* NULL to count */
    size_t used;
} ncs_room;

/* Return a room in `block`, which has a line more than was counted. */
static inline ncs_room ncs_room_in(void *block)
{
    size_t over = (uintptr_t)block % NCS_ROOM_LINE;
    return (ncs_room){(char *)block + (over ? NCS_ROOM_LINE - over : 0), 0};
}

/* Return `count` things of `size` bytes each; NULL while counting. */
static inline void *ncs_room_take(ncs_room *room, size_t count, size_t size)
{
    char *piece = room->block ? room->block + room->used : NULL;
    size_t lines = (count * size + NCS_ROOM_LINE - 1) / NCS_ROOM_LINE;
    room->used += lines * NCS_ROOM_LINE;
    return piece;
}

#endif
