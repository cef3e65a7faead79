"""Campaigns against loss: crashes, failing system calls, lost writes, hostile files: docs/results/reliability.md."""
