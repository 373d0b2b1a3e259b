from framework.components import *
