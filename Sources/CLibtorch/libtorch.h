// Nothing to declare: the module stands for the flags that pkg-config gives for libtorch.
