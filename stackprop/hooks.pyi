from framework.hooks import *
