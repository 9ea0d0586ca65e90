"""scikit-learn: the estimator, its model folder, and folds that test on labelled rows only."""
