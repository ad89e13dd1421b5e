"""What every stage stands on: config, table, status, store, units. Imports nothing of the package outside itself."""
