-- look(feature, chat): the chat at this moment. Writes nothing.
return look(ARGV[1], ARGV[2])
