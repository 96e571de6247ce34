#!/usr/bin/env python3
"""The lexical head in PyTorch, eager and by torch.compile: what a user of Python would compare with.

    head.py [--device cuda] [--images 1 64 256] [--dtype bfloat16] [--json FILE]

The paper's order (elu1p of all scores, then the maximum over tokens) and the maximum first, which is the stronger opponent;
forward alone, and forward and backward under a dense gradient. Random data, the median of several runs between two events,
peak memory beyond the inputs. The two orders must agree before anything is timed. A run that is stopped leaves in FILE what it had
timed by then, with "complete": false.
"""

import argparse
import datetime
import json
import os
import statistics
import sys
import time

import torch
import torch.nn.functional as F

TOKENS, WIDTH, WORDS = 257, 4096, 17149


def paper(tokens, codebook):
    return F.normalize((F.elu(tokens @ codebook.t()) + 1).amax(1), dim=-1)


def pool_first(tokens, codebook):
    return F.normalize(F.elu((tokens @ codebook.t()).amax(1).float()) + 1, dim=-1)


def timed(work, device, rounds):
    """Median milliseconds of work."""
    for _ in range(2):
        work()
    times = []
    for _ in range(rounds):
        if device == "cuda":
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            work()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end))
        else:
            began = time.perf_counter()
            work()
            times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)


def peak_of(work, device):
    """Bytes that work takes at most beyond what is there before it; None where the device does not say."""
    if device != "cuda":
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def write(path, given, results, complete):
    """What is known so far, as JSON."""
    if not path:
        return
    about = {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "device": torch.cuda.get_device_name() if given.device == "cuda" else "cpu",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "tokens": TOKENS,
        "width": given.width,
        "words": given.words,
        "complete": complete,
        "results": results,
    }
    part = path + ".part"
    with open(part, "w") as out:
        json.dump(about, out, indent=1)
    os.replace(part, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float16", "float32"])
    parser.add_argument("--images", type=int, nargs="+", default=[1, 64, 256])
    parser.add_argument("--words", type=int, default=WORDS)
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        print("skipped: PyTorch finds no CUDA device")
        return 77
    dtype = getattr(torch, given.dtype)
    torch.manual_seed(1)
    results = []
    failed = False
    for images in given.images:
        tokens = torch.randn(images, TOKENS, given.width, device=given.device).to(dtype)
        codebook = (torch.randn(given.words, given.width, device=given.device) / given.width**0.5).to(dtype)
        gradient = torch.randn(images, given.words, device=given.device)
        with torch.no_grad():
            off = (paper(tokens, codebook).float() - pool_first(tokens, codebook)).abs().max().item()
        # Activations are below 1, and the paper's order rounds each to the type.
        if not off <= 4 * torch.finfo(dtype).eps:
            print(f"B={images}: the two orders differ by {off}")
            results.append({"images": images, "dtype": given.dtype, "error": f"the two orders differ by {off}"})
            failed = True
            continue
        for name, head in [("paper", paper), ("pool first", pool_first)]:
            for how in ["eager", "compiled"]:
                # For this shape alone: after a second one it would compile for any, which is slower.
                torch.compiler.reset()
                run = head if how == "eager" else torch.compile(head, dynamic=False)

                def forward():
                    with torch.no_grad():
                        run(tokens, codebook)

                def train():
                    x, z = tokens.detach().requires_grad_(), codebook.detach().requires_grad_()
                    run(x, z).backward(gradient.to(dtype) if head is paper else gradient)

                for what, work in [("forward", forward), ("forward and backward", train)]:
                    row = {"what": what, "order": name, "how": how, "images": images, "dtype": given.dtype}
                    try:
                        row["ms"] = timed(work, given.device, given.rounds)
                        row["peak_bytes"] = peak_of(work, given.device)
                        peak = "" if row["peak_bytes"] is None else f", {row['peak_bytes'] / 1e9:6.2f} GB at most"
                        print(f"B={images:<4} {what:<21} {name:<11} {how:<9} {row['ms']:9.3f} ms{peak}", flush=True)
                    except Exception as error:  # a compiler that is not there, or too little memory: the others go on
                        row["error"] = str(error).splitlines()[0] if str(error) else type(error).__name__
                        print(f"B={images:<4} {what:<21} {name:<11} {how:<9} {row['error']}", flush=True)
                    results.append(row)
                    write(given.json, given, results, False)
        del tokens, codebook, gradient
    write(given.json, given, results, True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
