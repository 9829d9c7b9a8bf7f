"""The vocabulary of the gateway: structs and invariants, no behaviour, no IO."""
