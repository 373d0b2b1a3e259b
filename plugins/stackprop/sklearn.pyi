from framework.sklearn import *
