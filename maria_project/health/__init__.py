"""Health endpoints for load balancers and operators, and the checks behind them."""
