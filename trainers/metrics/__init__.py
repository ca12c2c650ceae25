"""What a run is judged by on the test split: accuracy of all and of groups, recalls, F1; numpy only."""
