"""`python -m benchmarks [--rounds 5]`: the tables of every benchmark."""

import argparse

from cnnlab.cli.tensorflow import quietly_imported


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--rounds", type=int, default=5, help="epochs that count, of each contestant (default 5)")
    rounds = parser.parse_args().rounds
    from benchmarks import input_pipeline

    print(input_pipeline.report(rounds), flush=True)  # before TensorFlow's threads: its peer forks
    quietly_imported()
    from benchmarks import engine_vs_fit

    print(f"\n{engine_vs_fit.report(rounds)}")


if __name__ == "__main__":
    main()
