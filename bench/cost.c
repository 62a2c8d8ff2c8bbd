/* A SYN loop: the CPU time of the kernel for sending half-open probes and reading their replies.
 *
 *     cost SOURCE TARGET COUNT      prints the CPU time of a probe in microseconds
 *
 * It runs in the network namespace of SOURCE, sends to closed ports of TARGET, and reads a RST for each.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static unsigned short folded(unsigned long total) {
    total = (total >> 16) + (total & 0xffff);
    return ~(total + (total >> 16)) & 0xffff;
}

int main(int count, char **words) {
    if (count != 4) return 2;
    struct in_addr source;
    struct sockaddr_in target = {.sin_family = AF_INET};
    inet_aton(words[1], &source);
    inet_aton(words[2], &target.sin_addr);
    int line = socket(AF_INET, SOCK_RAW, IPPROTO_TCP), size = 8 << 20, answered = 0;
    setsockopt(line, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    char packet[2048];
    long probes = atol(words[3]);
    for (long at = 0; at < probes; at++) {
        struct tcphdr head = {.source = htons(40000), .dest = htons(10000 + at % 50000), .seq = htonl(at), .doff = 5, .syn = 1};
        unsigned short *half = (unsigned short *)&head, *ends[] = {(unsigned short *)&source, (unsigned short *)&target.sin_addr};
        unsigned long total = htons(IPPROTO_TCP) + htons(sizeof head);
        for (size_t i = 0; i < sizeof head / 2; i++) total += half[i];
        for (int i = 0; i < 2; i++) total += ends[i][0] + ends[i][1];
        head.check = folded(total);
        sendto(line, &head, sizeof head, 0, (struct sockaddr *)&target, sizeof target);
        if (at % 32 == 31)
            while (recv(line, packet, sizeof packet, MSG_DONTWAIT) > 0) answered++;
    }
    while (recv(line, packet, sizeof packet, MSG_DONTWAIT) > 0) answered++;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double spent = 1e6 * (used.ru_utime.tv_sec + used.ru_stime.tv_sec) + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
    printf("%.3f %d\n", spent / probes, answered);
    return answered < probes * 0.99;
}
