"""The knowledge base: what people said becomes items, which are reviewed and served back to every agent."""
