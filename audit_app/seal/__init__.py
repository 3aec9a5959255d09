"""The seal of the audit log: signed batches of rows, their verification and their anchors.

docs/seal.md describes the format, for verifiers that share no code with this package.
"""
