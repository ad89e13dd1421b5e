"""One modality against another: embeddings mapped to one another, and search by words."""
