"""What a run gives people: the status of every video at every stage, one self-contained page, pictures, history."""
