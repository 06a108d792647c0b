"""Small readers of the file formats that published weights come in: arrays out, nothing executed."""
