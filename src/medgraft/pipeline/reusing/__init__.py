"""The steps of :func:`medgraft.pipeline.reuse.reuse_run`."""
