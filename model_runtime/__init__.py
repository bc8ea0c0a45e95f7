"""What the function and the registry both run. It is shipped whole with the function, so every module is light."""
