"""From answers to decisions: shares with intervals, trends, and what stands out."""
