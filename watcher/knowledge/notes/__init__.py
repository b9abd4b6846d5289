"""The corporate-memory job: what people note for their agents is taken into the knowledge base."""
