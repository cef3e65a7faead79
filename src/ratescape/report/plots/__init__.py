"""What every figure is made of: nothing global, no LaTeX; each function draws into axes that it is given."""
