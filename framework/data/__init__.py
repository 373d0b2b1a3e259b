"""Data sets, batches, scaling, augmentation."""
