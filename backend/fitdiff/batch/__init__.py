"""Many photos, one avatar folder each: found, named, computed by many workers, and told in a report (docs/batch.md)."""
