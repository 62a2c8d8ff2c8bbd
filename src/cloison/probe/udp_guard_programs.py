"""The eBPF programs of `udp_guard`, as lists of encoded instructions.

Input: the source ports of the prober, or the token of a run. Output: instructions for BPF_PROG_LOAD, 8 bytes each.
Rule: the instructions are little-endian; a value from a packet is compared with a constant in network byte order.
The assembler in the docstrings is that of the kernel's verifier and of `llvm-objdump`.
Source: https://docs.kernel.org/bpf/standardization/instruction-set.html, linux/bpf.h, bpf-helpers(7).
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from socket import SOCK_DGRAM, htons

from cloison.probe.packets import IPPROTO_UDP

BPF_LDX_MEM_W, BPF_LDX_MEM_H, BPF_MOV64_IMM, BPF_JNE_IMM, BPF_JEQ_IMM, BPF_EXIT = 0x61, 0x69, 0xB7, 0x55, 0x15, 0x95
(
    BPF_LDX_MEM_B,
    BPF_LDX_MEM_DW,
    BPF_MOV64_REG,
    BPF_ADD64_IMM,
    BPF_AND64_IMM,
    BPF_LSH64_IMM,
    BPF_RSH64_IMM,
    BPF_JEQ32_IMM,
    BPF_CALL,
) = 0x71, 0x79, 0xBF, 0x07, 0x57, 0x67, 0x77, 0x16, 0x85
"""Operation codes: the name's parts are the kernel's, such as BPF_LDX | BPF_MEM | BPF_W for BPF_LDX_MEM_W,
BPF_ALU64 | BPF_MOV | BPF_K for BPF_MOV64_IMM (BPF_X for _REG), and BPF_JMP32 | BPF_JEQ | BPF_K for BPF_JEQ32_IMM."""
R0, R1, R2, R3, R4, R6, R7, R8, R10 = 0, 1, 2, 3, 4, 6, 7, 8, 10
"""Registers: R0 is the result, R1 to R5 are arguments, R6 to R9 survive a call, R10 is the frame pointer."""
SK_DROP, SK_PASS = 0, 1
"""enum sk_action of linux/bpf.h; the result of a cgroup_skb program is 0 and 1 as well."""
SK_LOOKUP_PROTOCOL_OFFSET, SK_LOOKUP_REMOTE_PORT_OFFSET = 12, 36
"""Offsets of `protocol` and `remote_port` in struct bpf_sk_lookup of linux/bpf.h."""
SKB_SK_OFFSET, SK_TYPE_OFFSET, SK_PROTOCOL_OFFSET = 168, 8, 12
"""Offsets of `sk` in struct __sk_buff, and of `type` and `protocol` in struct bpf_sock, of linux/bpf.h."""
IPV6_HEADER, UDP_HEADER = 40, 8
BPF_FUNC_SKB_LOAD_BYTES, BPF_FUNC_SK_FULLSOCK = 26, 95
"""The numbers of the helpers bpf_skb_load_bytes and bpf_sk_fullsock: bpf-helpers(7)."""
InsnOrJump = bytes | tuple[int, int, int]
"""An encoded instruction, or (operation code, register, value) of a jump to the label `pass`."""


def token_filter(token: int) -> list[bytes]:
    """Return the cgroup_skb program that drops a UDP socket's datagrams whose payload begins with `token`.

          r6 = r1                              # struct __sk_buff *skb
          r1 = *(u64 *)(r6 + 168)              # skb->sk
          if r1 == 0 goto pass
          call bpf_sk_fullsock
          if r0 == 0 goto pass
          r3 = *(u32 *)(r0 + 8)                # sk->type
          if r3 != SOCK_DGRAM goto pass        # a raw socket
          r3 = *(u32 *)(r0 + 12)               # sk->protocol
          if r3 != IPPROTO_UDP goto pass
          r8 = 0
          if bpf_skb_load_bytes(r6, r8, r10 - 8, 1) != 0 goto pass
          r7 = *(u8 *)(r10 - 8)                # version and IHL
          r2 = r7
          r2 >>= 4
          r8 = 48                              # sizeof(struct ipv6hdr) + sizeof(struct udphdr)
          if r2 == 6 goto load
          r8 = r7
          r8 &= 15                             # IHL in words of four bytes
          r8 <<= 2
          r8 += 8                              # sizeof(struct udphdr)
    load: if bpf_skb_load_bytes(r6, r8, r10 - 8, 4) != 0 goto pass
          r2 = *(u32 *)(r10 - 8)
          if w2 == htonl(token) goto drop
    pass: r0 = 1
          exit
    drop: r0 = 0
          exit
    """
    insns = [
        *_check_udp(),
        *_payload_offset(),
        *_load_bytes(R8, 4),
        _instruction(BPF_LDX_MEM_W, R2, R10, jump=-8),
        _instruction(BPF_JEQ32_IMM, R2, value=_immediate(token), jump=2),
    ]
    ends = [(BPF_MOV64_IMM, SK_PASS), (BPF_EXIT, 0), (BPF_MOV64_IMM, SK_DROP), (BPF_EXIT, 0)]
    return [
        *(
            insn if isinstance(insn, bytes) else _instruction(*insn[:2], value=insn[2], jump=len(insns) - at - 1)
            for at, insn in enumerate(insns)
        ),
        *(_instruction(code, R0, value=value) for code, value in ends),
    ]


def _check_udp() -> list[InsnOrJump]:
    """Return the part that saves the skb in R6 and jumps to `pass` unless its socket is a UDP socket."""
    return [
        _instruction(BPF_MOV64_REG, R6, R1),
        _instruction(BPF_LDX_MEM_DW, R1, R6, jump=SKB_SK_OFFSET),
        (BPF_JEQ_IMM, R1, 0),
        _instruction(BPF_CALL, value=BPF_FUNC_SK_FULLSOCK),
        (BPF_JEQ_IMM, R0, 0),
        _instruction(BPF_LDX_MEM_W, R3, R0, jump=SK_TYPE_OFFSET),
        (BPF_JNE_IMM, R3, int(SOCK_DGRAM)),
        _instruction(BPF_LDX_MEM_W, R3, R0, jump=SK_PROTOCOL_OFFSET),
        (BPF_JNE_IMM, R3, IPPROTO_UDP),
    ]


def _payload_offset() -> list[InsnOrJump]:
    """Return the part that computes the offset of the UDP payload in R8 from the first byte of the IP header."""
    return [
        _instruction(BPF_MOV64_IMM, R8, value=0),
        *_load_bytes(R8, 1),
        _instruction(BPF_LDX_MEM_B, R7, R10, jump=-8),
        _instruction(BPF_MOV64_REG, R2, R7),
        _instruction(BPF_RSH64_IMM, R2, value=4),
        _instruction(BPF_MOV64_IMM, R8, value=IPV6_HEADER + UDP_HEADER),
        _instruction(BPF_JEQ_IMM, R2, value=6, jump=4),
        _instruction(BPF_MOV64_REG, R8, R7),
        _instruction(BPF_AND64_IMM, R8, value=0x0F),
        _instruction(BPF_LSH64_IMM, R8, value=2),
        _instruction(BPF_ADD64_IMM, R8, value=UDP_HEADER),
    ]


def _load_bytes(at: int, length: int) -> list[InsnOrJump]:
    """Return a call of bpf_skb_load_bytes(skb, offset, R10 - 8, length); the register `at` holds the offset."""
    return [
        _instruction(BPF_MOV64_REG, R1, R6),
        _instruction(BPF_MOV64_REG, R2, at),
        _instruction(BPF_MOV64_REG, R3, R10),
        _instruction(BPF_ADD64_IMM, R3, value=-8),
        _instruction(BPF_MOV64_IMM, R4, value=length),
        _instruction(BPF_CALL, value=BPF_FUNC_SKB_LOAD_BYTES),
        (BPF_JNE_IMM, R0, 0),
    ]


def _immediate(token: int) -> int:
    """Return htonl(token) as the signed 32-bit immediate of an instruction."""
    number: int = struct.unpack("=i", struct.pack("!I", token))[0]
    return number


def port_filter(ports: Collection[int]) -> list[bytes]:
    """Return the sk_lookup program that drops UDP datagrams from one of `ports`.

          r2 = *(u32 *)(r1 + 12)               # ctx->protocol
          if r2 != IPPROTO_UDP goto pass
          r2 = *(u16 *)(r1 + 36)               # ctx->remote_port, in network byte order
          if r2 == htons(port) goto drop       # once for each port
    pass: r0 = SK_PASS
          exit
    drop: r0 = SK_DROP
          exit
    """
    checks = [
        _instruction(BPF_JEQ_IMM, R2, jump=len(ports) - at + 1, value=htons(port)) for at, port in enumerate(ports)
    ]
    return [
        _instruction(BPF_LDX_MEM_W, R2, R1, jump=SK_LOOKUP_PROTOCOL_OFFSET),
        _instruction(BPF_JNE_IMM, R2, jump=len(checks) + 1, value=IPPROTO_UDP),
        _instruction(BPF_LDX_MEM_H, R2, R1, jump=SK_LOOKUP_REMOTE_PORT_OFFSET),
        *checks,
        _instruction(BPF_MOV64_IMM, R0, value=SK_PASS),
        _instruction(BPF_EXIT),
        _instruction(BPF_MOV64_IMM, R0, value=SK_DROP),
        _instruction(BPF_EXIT),
    ]


def _instruction(code: int, target: int = 0, source: int = 0, *, jump: int = 0, value: int = 0) -> bytes:
    """Return struct bpf_insn { __u8 code; __u8 dst_reg:4, src_reg:4; __s16 off; __s32 imm; } of linux/bpf.h."""
    return struct.pack("=BBhi", code, target | source << 4, jump, value)
