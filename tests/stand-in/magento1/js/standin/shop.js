window.shop = {};
