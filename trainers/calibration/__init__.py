"""How far confidence may be believed, and what mends it after training; numpy and scipy only, float64 inside."""
