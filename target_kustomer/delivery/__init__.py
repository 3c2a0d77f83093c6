"""From prepared records to verdicts: batches, their order, bulk jobs, links."""
