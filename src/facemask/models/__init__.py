"""Networks, where their weights come from, and the module that trains them."""
