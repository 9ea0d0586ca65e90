"""The view of scikit-learn: an estimator, its folder without pickle, and folds that test on labelled rows."""
