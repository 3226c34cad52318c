"""How the bundle that moodfuse brings is made: its corpora, its vocabulary, its two stages."""
