"""Files that say what is said when, read into segments and frames' labels; TextGrids are written, too."""
