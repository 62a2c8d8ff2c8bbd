/* The program of the synthetic project's containers: it listens on port 8000 over IPv4 and IPv6.
 *
 *     listener                     listens
 *     listener ADDRESS PORT        connects to an IPv4 address instead, and exits with 0 when the connection succeeds within a second
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int asked(char **words) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
    struct timeval patience = {.tv_sec = 1};
    int line = socket(AF_INET, SOCK_STREAM, 0);
    inet_aton(words[1], &there.sin_addr);
    setsockopt(line, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return connect(line, (struct sockaddr *)&there, sizeof there) != 0;
}

int main(int count, char **words) {
    if (count == 3) return asked(words);
    struct sockaddr_in6 here = {.sin6_family = AF_INET6, .sin6_port = htons(8000)};
    int line = socket(AF_INET6, SOCK_STREAM, 0);
    if (bind(line, (struct sockaddr *)&here, sizeof here) || listen(line, 128)) return 2;
    for (;;) pause();
}
