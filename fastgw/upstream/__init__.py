"""The network side towards providers: pooled connections and nothing else."""
