"""Campaigns against loss: crashes, failing system calls, lost writes, hostile files; see docs/results/reliability.md."""
