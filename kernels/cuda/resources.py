#!/usr/bin/env python3
"""Registers, shared memory, spills and occupancy of the CUDA kernels, without a GPU: what ptxas says of each, and CUDA's rules.

    kernels/cuda/resources.py [ARCHITECTURE...]          80, 90a and 100 if none is named; needs nvcc, ptxas and c++filt

Prints a table in Markdown: threads of a block, registers of a thread, shared memory of a block at the paper's shape (257 tokens, 17,149
words), and how many of a processor's 64 warps registers, shared memory and the size of the blocks let be resident. What a launch has of
it depends on how many blocks there are. Kernels that spill nothing and have room for 48 warps are only counted.
"""

import pathlib
import re
import subprocess
import sys

CUDA = pathlib.Path(__file__).resolve().parent
TOKENS, WORDS = 257, 17149
# Of a processor, by major version: shared memory, and what of it a block may have. Of all three: 64 warps, 32 blocks, 65,536 registers.
SHARED = {8: (164 << 10, 163 << 10), 9: (228 << 10, 227 << 10), 10: (228 << 10, 227 << 10)}
WARPS, BLOCKS, REGISTERS, OF_BLOCK, PARTITIONS = 64, 32, 65536, 1024, 4
AMPLE = 48  # warps: of kernels that have room for as many nothing is scarce


def dynamic_shared(kernel, major):
    """Bytes of dynamic shared memory, as the launchers ask for them."""
    element = 4 if "<float" in kernel else 2
    name = re.match(r"(\w+)", kernel).group(1)
    if name == "kernel":  # the two that are called so: a ring of four stages of both operands
        rows = re.search(r", (\d+)>", kernel)
        return 4 * 2 * 128 * 64 if rows is None else 4 * (128 + 256 + int(rows.group(1))) * 128 + 2 * 4 * 8
    if name == "matrix_kernel":
        return 4 * 2 * 128 * 64
    if name == "dense_kernel":
        return WORDS * 4
    if name == "brought_codebook_kernel":
        return 2 * TOKENS * 32 * element
    if name == "brought_tokens_kernel":
        sizes = [2 * 512 * 64 + (images * TOKENS + 16) * (64 // element * 4) + 16 * 4 for images in (8, 4, 2)]
        return next(size for size in sizes if size <= SHARED[major][1])
    return 0


def occupancy(registers, shared, threads, major):
    """Warps of a processor's 64 that may be resident, by the rules of CUDA's cuda_occupancy.h."""
    warps = -(-threads // 32)
    of_warp = -(-registers * 32 // 256) * 256
    by_registers = REGISTERS // PARTITIONS // of_warp * PARTITIONS // warps
    by_shared = SHARED[major][0] // (-(-(shared + OF_BLOCK) // 128) * 128)
    return min(by_registers, by_shared, WARPS // warps, BLOCKS) * warps


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout, done.stderr


def compiled(source, arch):
    """Of each kernel of a file: name, threads, registers, static shared memory, bytes spilled."""
    text, _ = run("nvcc", "-ptx", "-std=c++17", "-O3", "-DNDEBUG", "--expt-relaxed-constexpr", "-Xcompiler=-Wno-unknown-pragmas",
                  f"-arch=compute_{arch}", f"-I{CUDA.parent / 'include'}", source, "-o", "-")
    threads = dict(re.findall(r"\.entry (\w+)\(.*?\.maxntid (\d+)", text, re.DOTALL))
    _, said = run("ptxas", "-v", f"-arch=sm_{arch}", "-o", "/dev/null", "-", input=text)
    for entry, of_entry in re.findall(r"Compiling entry function '(\w+)'(.*?)(?=Compiling entry|\Z)", said, re.DOTALL):
        number = lambda what: sum(map(int, re.findall(rf"(\d+) {what}", of_entry)))
        name, _ = run("c++filt", entry)
        name = re.sub(r"lexvla::cuda::|\(anonymous namespace\)::|^void |\(.*|\s+$", "", re.sub(r"\((?!anonymous).*", "", name))
        yield name, int(threads[entry]), number("registers"), number("bytes smem"), number("bytes spill")


def report(table, archs):
    """Of {(file, kernel, threads): {architecture: (registers, shared, warps, spilled)}} the lines in which something is scarce."""
    lines, others = {}, 0
    for (source, name, threads), of in table.items():
        if all(warps >= AMPLE and spilled == 0 for _, _, warps, spilled in of.values()):
            others += 1
            continue
        cells = [f"{r}, {s / 1024:.1f} KiB, {w}" + (f", spills {x} bytes" if x else "") for r, s, w, x in (of.get(a, (0,) * 4) for a in archs)]
        base, _, types = name.rstrip(">").partition("<")
        # Instances of a template that differ in nothing share a line.
        line = (source, base, threads, *("" if arch not in of else cell for arch, cell in zip(archs, cells)))
        lines.setdefault(line, []).append(types)
    print("| file | kernel | threads | " + " | ".join(f"sm_{arch}" for arch in archs) + " |")
    print("|---|---|---:|" + "---:|" * len(archs))
    for (source, base, threads, *cells), types in lines.items():
        named = f" {'; '.join(types)}" if any(types) else ""
        print(f"| {source} | `{base}`{named} | {threads} | {' | '.join(cells)} |")
    print(f"\n{others} other kernels: none spills, all leave room for {AMPLE} warps or more.")


def main():
    archs = sys.argv[1:] or ["80", "90a", "100"]
    table = {}
    for source in sorted(CUDA.glob("*.cu")):
        for arch in archs:
            if source.stem.startswith("sm90") and arch != "90a":
                continue
            major = int(arch.rstrip("af")) // 10
            for name, threads, registers, static, spilled in compiled(source, arch):
                shared = static + dynamic_shared(name, major)
                of = table.setdefault((source.stem, name, threads), {})
                of[arch] = registers, shared, occupancy(registers, shared, threads, major), spilled
    report(table, archs)


if __name__ == "__main__":
    main()
