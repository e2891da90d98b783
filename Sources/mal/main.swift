print("mal")
