"""The data of a Kaggle competition as a corpus: downloaded, unpacked, checked."""
