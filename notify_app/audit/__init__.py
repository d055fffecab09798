"""The auditor: it looks whether everything runs, and is no part of what runs (architecture, invariant 10).

It only reads what the engine writes; what it writes is its own: findings, its turn, signs of life. It has its own
statements and its own connection, opened for each look, and knows neither Flask nor SQLAlchemy nor a verb of the hub: what
there should be is handed in (`look.Watched`). A thread of it stands in the scheduler and in every worker, and whoever
comes first takes the turn, so that it goes on while one of them lives.
"""
