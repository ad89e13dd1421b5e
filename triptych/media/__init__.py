"""Media: from a file to sound, keyframes and facts about it; untrusted files are decoded in limited child processes."""
