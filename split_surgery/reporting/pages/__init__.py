"""The pages that `report` writes."""
