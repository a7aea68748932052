"""Cases for training and evaluation; at present those made from phantoms."""
