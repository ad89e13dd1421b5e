"""The commands beside Snakemake, a file each; `triptych.cli` gives them their options."""
