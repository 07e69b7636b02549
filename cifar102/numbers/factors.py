TWO = 3
